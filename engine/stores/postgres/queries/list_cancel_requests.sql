SELECT num, cancel
FROM headrace.run
WHERE cancel IS NOT NULL AND ended IS NULL AND num = ANY ($1::bigint[])
ORDER BY num
