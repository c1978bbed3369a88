package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"

	"github.com/hfvmm/hfvmm/vmm/debian"
)

// emulator is the QEMU that has arm64 machines.
const emulator = "qemu-system-aarch64"

// FindQEMU returns the emulator from PATH or the cache; it fetches nothing.
// The error is fs.ErrNotExist if it is in neither.
func FindQEMU() (string, error) {
	if path, err := exec.LookPath(emulator); err == nil {
		return path, nil
	}
	cache, err := debian.Open()
	if err != nil {
		return "", err
	}
	if _, ok := cache.Has(debian.QEMU()); !ok {
		return "", fmt.Errorf("%s: %w", emulator, fs.ErrNotExist)
	}
	return cache.Program(context.Background(), debian.QEMU(), emulator)
}

// FindKernel returns the lab's kernel from the cache; it fetches nothing.
// The error is fs.ErrNotExist if it is not there.
func FindKernel() (string, error) {
	cache, err := debian.Open()
	if err != nil {
		return "", err
	}
	root, ok := cache.Has(debian.LabKernel())
	if !ok {
		return "", fmt.Errorf("kernel of the lab: %w", fs.ErrNotExist)
	}
	return debian.KernelImage(root)
}

// Provide fills in what the job leaves open, QEMU and the kernel, fetching from Debian what this machine
// does not have. The first time takes a while, so it says on the job's Stderr what it does.
func (j *Job) Provide(ctx context.Context) error {
	if j.QEMU == "" {
		path, err := FindQEMU()
		if errors.Is(err, fs.ErrNotExist) {
			path, err = fetch(j.Stderr, func(c *debian.Cache) (string, error) {
				return c.Program(ctx, debian.QEMU(), emulator)
			})
		}
		if err != nil {
			return fmt.Errorf("the lab needs %s, which is not in PATH: install it (on Debian with `apt install qemu-system-arm`); it could not be had otherwise: %w", emulator, err)
		}
		j.QEMU = path
	}
	if j.Kernel == "" {
		path, err := FindKernel()
		if errors.Is(err, fs.ErrNotExist) {
			path, err = fetch(j.Stderr, func(c *debian.Cache) (string, error) {
				return c.Image(ctx, debian.LabKernel())
			})
		}
		if err != nil {
			return fmt.Errorf("the lab needs an arm64 kernel: name one of Linux 6.4 or later with --lab-kernel, or a mirror of Debian in HFVMM_MIRROR; none could be had otherwise: %w", err)
		}
		j.Kernel = path
	}
	return nil
}

// fetch gets something from the cache and tells on w what it has to do for that.
func fetch(w io.Writer, get func(*debian.Cache) (string, error)) (string, error) {
	cache, err := debian.Open()
	if err != nil {
		return "", err
	}
	if w != nil {
		cache.Progress = func(what string) { fmt.Fprintf(w, "lab: %s\n", what) }
	}
	return get(cache)
}
