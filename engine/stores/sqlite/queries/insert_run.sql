INSERT INTO run (
    id, flow, version, fingerprint, python, due, created, timeout, scheduled_for, trace, span, sampled,
    parent, parent_key, parent_span, rerun_of, origin, tags, params
)
VALUES (
    :id, :flow, :version, :fingerprint, :python, :due, :created, :timeout, :scheduled_for, :trace, :span, :sampled,
    :parent, :parent_key, :parent_span, :rerun_of, :origin, :tags, :params
)
ON CONFLICT (id) DO NOTHING
RETURNING *
