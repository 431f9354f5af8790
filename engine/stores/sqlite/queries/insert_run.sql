INSERT INTO run (
    id, flow, version, fingerprint, python, due, created, timeout, scheduled_for, trace, span, sampled,
    parent, parent_key, parent_span, rerun_of, origin, tags, params, priority, rank, queue, requires, lane, held
)
VALUES (
    :id, :flow, :version, :fingerprint, :python, :due, :created, :timeout, :scheduled_for, :trace, :span, :sampled,
    :parent, :parent_key, :parent_span, :rerun_of, :origin, :tags, :params, :priority, :rank, :queue, :requires, :lane,
    EXISTS (
        SELECT 1
        FROM run AS other
        WHERE other.lane = :lane AND other.held = 0 AND other.state IN ('queued', 'running', 'waiting')
    )
)
ON CONFLICT (id) DO NOTHING
RETURNING *
