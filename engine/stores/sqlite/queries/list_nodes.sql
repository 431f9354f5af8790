SELECT id, pid, host, started, flows, duty FROM node ORDER BY started, id
