package vmm

import (
	"crypto/rand"
	"encoding/binary"
)

// newHandle returns a number that no guest can guess, for a memory transaction of FF-A.
func newHandle() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
