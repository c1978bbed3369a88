package wire

import "fmt"

// Version is a version of FF-A: the major one in bits [30:16], the minor one in [15:0] (DEN0077A §13.2).
type Version uint32

// The versions that change a layout.
const (
	Version10 Version = 1<<16 | iota
	Version11
	Version12
	Version13
)

func (v Version) String() string { return fmt.Sprintf("%d.%d", v>>16, v&0xffff) }
