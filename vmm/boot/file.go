package boot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// ReadInitrd reads the initial RAM disk at path. limit is the memory of the VM in bytes.
func ReadInitrd(path string, limit uint64) ([]byte, error) {
	return readFile(initrdFile, path, limit)
}

// role is what a file is for, as errors word it.
type role struct {
	name   string
	bound  string // what the limit on its size is
	remedy string // for a file beyond the limit
}

const (
	vmMemory   = "the memory of its VM"
	moreMemory = "give the VM more memory"
)

var (
	kernelFile   = role{"kernel", vmMemory, moreMemory}
	initrdFile   = role{"initrd", vmMemory, moreMemory}
	imageFile    = role{"image", vmMemory, moreMemory}
	manifestFile = role{"manifest", "a manifest may be", "leave out what is not about VMs"}
	vmListFile   = role{"VM list", "a VM list may be", "leave out what is not about VMs"}
)

// readFile reads a whole file of 1 to limit bytes. It may be a pipe, so that a shell's process
// substitution works.
func readFile(what role, path string, limit uint64) ([]byte, error) {
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
		return nil, fmt.Errorf("the %s %q is a directory; give a file", what.name, path)
	case info.Mode().IsRegular() && uint64(info.Size()) > limit:
		return nil, tooLarge(what, path, limit)
	}
	b, err := readUpTo(f, uint64(info.Size()), limit)
	switch {
	case errors.Is(err, errLimit):
		return nil, tooLarge(what, path, limit)
	case err != nil:
		return nil, fileError(what, path, err)
	case len(b) == 0:
		return nil, fmt.Errorf("the %s %q is empty; check how it was made or copied", what.name, path)
	}
	return b, nil
}

// errLimit says that there is more to read than was allowed.
var errLimit = errors.New("larger than the limit")

// readUpTo reads all of r, of which size bytes are expected, or fails with errLimit if that is more than limit.
func readUpTo(r io.Reader, size, limit uint64) ([]byte, error) {
	// A buffer of the right size saves copying it again and again while it grows.
	b := bytes.NewBuffer(make([]byte, 0, min(size, limit)+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(r, int64(min(limit, math.MaxInt64-1)+1)))
	if uint64(b.Len()) > limit {
		err = errLimit
	}
	return b.Bytes(), err
}

// fileError words an error of the file system.
func fileError(what role, path string, err error) error {
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
	return fmt.Errorf("cannot read the %s %q: %w; %s", what.name, path, err, remedy)
}

func tooLarge(what role, path string, limit uint64) error {
	return fmt.Errorf("the %s %q is larger than %s (%s); %s", what.name, path, what.bound, mib(limit), what.remedy)
}
