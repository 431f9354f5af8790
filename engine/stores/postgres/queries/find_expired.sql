SELECT id, token
FROM headrace.node
WHERE id <> ALL ($1::text[]) AND
-- include has_expired
ORDER BY id
