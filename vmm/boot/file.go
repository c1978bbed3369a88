package boot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadInitrd reads the initial RAM disk at path, of at most limit bytes.
func ReadInitrd(path string, limit uint64) ([]byte, error) {
	return readFile("initrd", path, limit)
}

// readFile reads a whole file of 1 to limit bytes. what names its role in errors. The file may be a
// pipe, so that a shell's process substitution works.
func readFile(what, path string, limit uint64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(what, path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fileError(what, path, err)
	case info.IsDir():
		return nil, fmt.Errorf("the %s %q is a directory; give a file", what, path)
	case info.Mode().IsRegular() && uint64(info.Size()) > limit:
		return nil, tooLarge(what, path, uint64(info.Size()), limit)
	}
	// A buffer of the right size saves copying it again and again while it grows.
	b := make([]byte, 0, min(uint64(info.Size()), limit)+1)
	b, err = readUpTo(b, f, limit)
	switch {
	case errors.Is(err, errLimit):
		return nil, fmt.Errorf("the %s %q is larger than the %s that it is loaded into; give the VM more memory", what, path, mib(limit))
	case err != nil:
		return nil, fileError(what, path, err)
	case len(b) == 0:
		return nil, fmt.Errorf("the %s %q is empty; check how it was made or copied", what, path)
	}
	return b, nil
}

// errLimit says that there is more to read than was allowed.
var errLimit = errors.New("larger than the limit")

// readUpTo appends everything in r to b, or fails with errLimit once b is longer than limit.
func readUpTo(b []byte, r io.Reader, limit uint64) ([]byte, error) {
	for {
		if uint64(len(b)) > limit {
			return nil, errLimit
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			if uint64(len(b)) > limit {
				return nil, errLimit
			}
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// fileError words an error of the file system.
func fileError(what, path string, err error) error {
	remedy := "check the path and the disk"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "check the path"
	case errors.Is(err, fs.ErrPermission):
		remedy = "make the file readable for this user"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the sentence names the path already
	}
	return fmt.Errorf("cannot read the %s %q: %w; %s", what, path, err, remedy)
}

func tooLarge(what, path string, size, limit uint64) error {
	return fmt.Errorf("the %s %q is larger (%s) than the memory that it is loaded into (%s); give the VM more memory",
		what, path, mib(size), mib(limit))
}
