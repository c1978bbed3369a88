package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// checkFile says what is wrong with a file that is to be read, if anything is.
func checkFile(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read %q: %w", path, reason(err))
	case st.IsDir():
		return fmt.Errorf("%q is a directory", path)
	case !st.Mode().IsRegular():
		return fmt.Errorf("%q is not a regular file", path)
	case st.Size() == 0:
		return fmt.Errorf("%q is empty", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", path, reason(err))
	}
	return f.Close()
}

// reason is what the operating system said, without the call and the path.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
