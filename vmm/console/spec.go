package console

import (
	"fmt"
	"strings"
)

// Kind is where a serial line goes.
type Kind uint8

// The kinds of port.
const (
	Stdio Kind = iota // standard input and output
	Null              // nowhere
	File              // output into a file, no input
	Unix              // a Unix socket that clients connect to, one at a time
)

// Spec is a kind with its path. It is a flag value: stdio, null, file=PATH or unix=PATH.
type Spec struct {
	Kind Kind
	Path string // of File and Unix
}

// Type says what a Spec is written like.
func (s *Spec) Type() string { return "stdio|null|file=PATH|unix=PATH" }

func (s *Spec) String() string {
	switch s.Kind {
	case Null:
		return "null"
	case File:
		return "file=" + s.Path
	case Unix:
		return "unix=" + s.Path
	}
	return "stdio"
}

// Set parses a Spec.
func (s *Spec) Set(text string) error {
	word, path, hasPath := strings.Cut(text, "=")
	switch {
	case word == "stdio" && !hasPath:
		*s = Spec{Kind: Stdio}
	case word == "null" && !hasPath:
		*s = Spec{Kind: Null}
	case word == "file" && path != "":
		*s = Spec{Kind: File, Path: path}
	case word == "unix" && path != "":
		*s = Spec{Kind: Unix, Path: path}
	case word == "file", word == "unix":
		return fmt.Errorf("%q lacks a path; write %s=PATH", text, word)
	default:
		return fmt.Errorf("%q is not a serial port; give stdio, null, file=PATH or unix=PATH", text)
	}
	return nil
}
