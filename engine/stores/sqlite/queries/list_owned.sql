SELECT * FROM run WHERE state = 'running' AND owner = ? ORDER BY num
