package wire

import (
	"encoding/hex"
	"fmt"
)

// UUID is a UUID in the byte order of its text (RFC 9562). In registers it is four or two little-endian pieces of that
// (DEN0077A §13.8, DEN0028 §5.3); in memory it stands as it is.
type UUID [16]byte

// UUIDOfWords is the UUID of four 32-bit registers.
func UUIDOfWords(w [4]uint32) (u UUID) {
	for i, w := range w {
		le.PutUint32(u[4*i:], w)
	}
	return u
}

// UUIDOfHalves is the UUID of two 64-bit registers.
func UUIDOfHalves(low, high uint64) (u UUID) {
	le.PutUint64(u[:], low)
	le.PutUint64(u[8:], high)
	return u
}

// uuidDashes are the places of the dashes in the text of a UUID.
var uuidDashes = [...]int{8, 13, 18, 23}

const uuidText = 36

// ParseUUID reads 8-4-4-4-12 hexadecimal digits.
func ParseUUID(text string) (u UUID, err error) {
	if len(text) != uuidText {
		return u, fmt.Errorf("%q is no UUID; write one as 01234567-89ab-cdef-0123-456789abcdef", text)
	}
	digits, from := make([]byte, 0, 2*len(u)), 0
	for _, at := range append(uuidDashes[:], uuidText) {
		if at < uuidText && text[at] != '-' {
			return u, fmt.Errorf("%q has no dash at place %d; write a UUID as 01234567-89ab-cdef-0123-456789abcdef", text, at)
		}
		digits, from = append(digits, text[from:at]...), at+1
	}
	if _, err = hex.Decode(u[:], digits); err != nil {
		return UUID{}, fmt.Errorf("%q is no UUID: %w", text, err)
	}
	return u, nil
}

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
