SELECT * FROM headrace.run WHERE parent = $1 ORDER BY num
