// Package boot turns what a user gives into what a guest starts from: kernel images in their several
// formats, their place in memory, the device tree of the primary, and Hafnium's manifest.
//
// Its errors are for users: one sentence that names the file, what is wrong with it and what mends
// it. It knows files and bytes, but no KVM and no running machine.
package boot

import "fmt"

// Span is Size bytes of guest memory from the IPA Base.
type Span struct {
	Base, Size uint64
}

// End returns the first IPA after the span.
func (s Span) End() uint64 { return s.Base + s.Size }

// mib words a size for a user, rounded up to whole MiB where it is at least one.
func mib(bytes uint64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1<<10-1)>>10)
	}
	return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20)
}
