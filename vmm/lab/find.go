package lab

import (
	"errors"
	"os/exec"
)

// emulator is the QEMU that has arm64 machines.
const emulator = "qemu-system-aarch64"

// Provide fills in the job's QEMU, and reports what is missing with its remedy.
func (j *Job) Provide() error {
	if j.QEMU == "" {
		path, err := exec.LookPath(emulator)
		if err != nil {
			return errors.New(emulator + " is not in PATH: install it (Debian: apt install qemu-system-arm)")
		}
		j.QEMU = path
	}
	return nil
}
