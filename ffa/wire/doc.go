// Package wire has the layouts of the FF-A interface (DEN0077A): what stands where in the descriptors that endpoints
// exchange through memory and registers, by version. It reads and writes bytes that it is given and knows nothing of
// partitions or of who may send what.
package wire

import "encoding/binary"

// le is the order of bytes in all layouts.
var le = binary.LittleEndian
