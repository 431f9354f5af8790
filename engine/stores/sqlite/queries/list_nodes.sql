SELECT id, pid, host, started, flows FROM node ORDER BY started, id
