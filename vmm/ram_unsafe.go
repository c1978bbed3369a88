package vmm

import (
	"sync/atomic"
	"unsafe"
)

// word returns the 32 bits of RAM at ipa, which is in RAM and a multiple of 4, for access that is atomic
// towards the guest.
func (r *ram) word(ipa uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&r.Slice(ipa, 4)[0]))
}
