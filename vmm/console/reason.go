package console

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// reason is what the operating system said, without the call and the path.
func reason(err error) error {
	var path *fs.PathError
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &op):
		return op.Err
	}
	return err
}
