-- include in_lane
ORDER BY num
