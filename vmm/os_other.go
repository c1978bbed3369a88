//go:build !linux

package vmm

import (
	"time"

	"github.com/hfvmm/hfvmm/kvmarm"
)

func newRAM(uint64) (*ram, error)  { return nil, kvmarm.ErrUnsupported }
func (r *ram) close() error        { return nil }
func gettid() int                  { return 0 }
func interrupt(int)                {}
func threadTime(int) time.Duration { return 0 }

func (r *ram) restore(ipa, size uint64) error { return kvmarm.ErrUnsupported }

type threadTimer struct{}

func newThreadTimer() (*threadTimer, error)             { return nil, kvmarm.ErrUnsupported }
func (*threadTimer) start(time.Duration, time.Duration) {}
func (*threadTimer) stop()                              {}
func (*threadTimer) close()                             {}
