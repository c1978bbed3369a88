//go:build !linux

package vmm

import "github.com/hfvmm/hfvmm/kvmarm"

func newRAM(uint64) (*ram, error) { return nil, kvmarm.ErrUnsupported }
func (r *ram) close() error       { return nil }
func gettid() int                 { return 0 }
func interrupt(int)               {}
