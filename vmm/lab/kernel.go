package lab

import (
	"fmt"
	"os"

	"github.com/hfvmm/hfvmm/vmm/boot"
)

// maxKernel is more than any kernel has.
const maxKernel = 512 * mib

// openKernel opens a kernel as a raw Image, the one format that every QEMU boots.
func openKernel(path string) (*os.File, error) {
	k, err := boot.ReadKernel(path, maxKernel)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	switch k.Format {
	case boot.Image:
		return os.Open(path)
	case boot.Flat:
		return nil, fmt.Errorf("lab: the kernel %q is not a Linux kernel for arm64; --lab-kernel takes one of Linux 6.4 or later", path)
	}
	return nameless(func(f *os.File) error {
		_, err := f.Write(k.Image)
		return err
	})
}

// nameless returns a file without a name that has been filled.
func nameless(fill func(*os.File) error) (*os.File, error) {
	f, err := os.CreateTemp("", "hfvmm-lab-*")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = fill(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
