package hypercall

import "fmt"

// FuncID is an SMCCC function identifier (DEN0028 §2.5), or one of the older numbers such as 0xFF00
// that Hafnium used before it followed that convention.
type FuncID uint32

// SMC64 is the bit that tells a 64-bit call from its 32-bit twin (DEN0028 §2.5, bit 30).
const SMC64 FuncID = 1 << 30

// NotSupported is what an unknown function returns in x0 (DEN0028 §5.2).
const NotSupported = ^uint64(0)

// Conduit is the instruction that a guest called with.
type Conduit uint8

// The two conduits of DEN0028 §2.
const (
	HVC Conduit = iota
	SMC
)

func (c Conduit) String() string {
	if c == SMC {
		return "SMC"
	}
	return "HVC"
}

// Range is Count consecutive function identifiers from First.
type Range struct {
	First FuncID
	Count uint32
}

// Contains reports whether fn lies in the range.
func (r Range) Contains(fn FuncID) bool { return fn >= r.First && uint32(fn-r.First) < r.Count }

func (r Range) String() string {
	return fmt.Sprintf("%#08x..%#08x", uint32(r.First), uint32(r.First)+r.Count-1)
}
