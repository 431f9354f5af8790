-- Not that of the node which has taken the run over meanwhile: it holds a slot under the same key.
DELETE FROM headrace.slot WHERE pool = $1 AND run = $2 AND key = $3 AND node = ANY ($4::text[])
