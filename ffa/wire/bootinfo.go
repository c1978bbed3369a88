package wire

// Boot information (DEN0077A §5.4): what a partition that starts is told, as a header and descriptors of 32 bytes.
const (
	bootSignature  = 0x0FFA
	bootHeader     = 32
	bootDescriptor = 32

	bootSignatureAt = 0  // u32
	bootVersionAt   = 4  // u32
	bootSizeAt      = 8  // u32: of the blob
	bootDescSizeAt  = 12 // u32
	bootDescCountAt = 16 // u32
	bootDescsAt     = 20 // u32: offset

	bootNameAt    = 0  // 16 bytes
	bootTypeAt    = 16 // u8
	bootFlagsAt   = 18 // u16
	bootLengthAt  = 20 // u32
	bootContentAt = 24 // u64

	// MaxBootName is the length of a name, bytes.
	MaxBootName = 16
)

// BootFDT is the type of a flattened device tree.
const BootFDT = 0

// BootItem is one piece of boot information: Size bytes at Address.
type BootItem struct {
	Name    string // no more than MaxBootName bytes
	Type    uint8
	Size    uint32
	Address uint64 // IPA
}

// BootInfoSize is the size, in bytes, of boot information of so many items.
func BootInfoSize(items int) int { return bootHeader + items*bootDescriptor }

// EncodeBootInfo writes the boot information of a partition of version v. b has room for BootInfoSize.
func EncodeBootInfo(b []byte, v Version, items []BootItem) {
	clear(b[:BootInfoSize(len(items))])
	le.PutUint32(b[bootSignatureAt:], bootSignature)
	le.PutUint32(b[bootVersionAt:], uint32(v))
	le.PutUint32(b[bootSizeAt:], uint32(BootInfoSize(len(items))))
	le.PutUint32(b[bootDescSizeAt:], bootDescriptor)
	le.PutUint32(b[bootDescCountAt:], uint32(len(items)))
	le.PutUint32(b[bootDescsAt:], bootHeader)
	for i, it := range items {
		d := b[bootHeader+i*bootDescriptor:]
		copy(d[bootNameAt:][:MaxBootName], it.Name)
		d[bootTypeAt] = it.Type
		le.PutUint16(d[bootFlagsAt:], 0) // the name is a string, the content an address
		le.PutUint32(d[bootLengthAt:], it.Size)
		le.PutUint64(d[bootContentAt:], it.Address)
	}
}
