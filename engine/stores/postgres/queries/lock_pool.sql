SELECT 1 FROM headrace.pool WHERE name = $1 FOR UPDATE
