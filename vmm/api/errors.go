package api

import "net/http"

// refusal is an error with the HTTP status that says what kind it is. Others are mistakes in the request.
type refusal struct {
	error
	status int
}

func (r *refusal) Unwrap() error { return r.error }

// NotFound marks err as one about something that does not exist, such as a VM.
func NotFound(err error) error { return &refusal{err, http.StatusNotFound} }

// Conflict marks err as one about something that cannot be done now.
func Conflict(err error) error { return &refusal{err, http.StatusConflict} }
