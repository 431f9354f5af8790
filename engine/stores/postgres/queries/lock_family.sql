-- A run and its parent, which a change of the run may wake.
SELECT 1
FROM headrace.run
WHERE num IN (SELECT num FROM headrace.run WHERE id = $1 UNION ALL SELECT parent FROM headrace.run WHERE id = $1)
ORDER BY num
FOR NO KEY UPDATE
