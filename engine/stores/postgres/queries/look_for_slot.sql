SELECT
-- include slot_free
