-- An expired lease may be renewed as long as nobody has buried the node: its runs are still its own.
UPDATE headrace.node
SET renewed = clock_timestamp(), expires = clock_timestamp() + $3
WHERE id = ANY ($1::text[]) AND token = $2
RETURNING id
