SELECT num FROM headrace.run WHERE state = 'running' AND owner = $1 ORDER BY num FOR NO KEY UPDATE
