// Package api is how a running machine is asked and told things from outside: HTTP with JSON on a Unix socket.
// It has both ends, Serve and Client, and what they send each other. The command line uses a part of Client; the whole is
// for programs that import this. It knows no machine, only the interface that one implements for it.
//
//	GET /api/v1/status                                    Status
//	PUT /api/v1/pause, resume, power-off
//	PUT /api/v1/event                                     EventRequest
//	GET, PUT /api/v1/vms/VM/sdei                          SDEIState
//	GET, PUT /api/v1/vms/VM/vcpus/INDEX/sdei-registers    Registers
//
// VM is a name or a number, 0 for the primary. What succeeds without an answer is 204, an error a JSON object
// with the member "error", which is one sentence: 404 if it is a [NotFound], 409 if it is a [Conflict], 400 for all
// others. A path or a method that is not served is 404 or 405 in plain text.
package api
