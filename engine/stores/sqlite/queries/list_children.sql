SELECT * FROM run WHERE parent = ? ORDER BY num
