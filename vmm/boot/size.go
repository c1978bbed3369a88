package boot

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// sizeUnits maps a unit to the power of two that it stands for.
var sizeUnits = map[string]int{
	"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "KIB": 10, "MIB": 20, "GIB": 30, "TIB": 40,
}

// ParseSize reads a size in bytes such as "4096", "64K", "512M" or "1G". The units K, M, G and T are
// powers of 1024, in either case, and may be written out as KiB, MiB, GiB and TiB.
func ParseSize(s string) (uint64, error) {
	unit := strings.TrimLeft(s, "0123456789")
	digits := s[:len(s)-len(unit)]
	shift, known := sizeUnits[strings.ToUpper(unit)]
	if !known || digits == "" {
		return 0, fmt.Errorf("%q is not a size; write a whole number of bytes, or one with K, M, G or T such as 512M", s)
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if errors.Is(err, strconv.ErrRange) || bits.Len64(n)+shift > 64 {
		return 0, fmt.Errorf("the size %q is beyond 64 bits; give a smaller one", s)
	}
	return n << shift, nil
}
