//go:build !arm64

package kvmarm

// Counter returns 0: this processor has no system counter of Arm's.
func Counter() uint64 { return 0 }

// CounterFrequency returns 0.
func CounterFrequency() uint64 { return 0 }
