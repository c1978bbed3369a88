package wire

// PartitionInfo is a partition information descriptor (DEN0077A §6.2): who serves what.
type PartitionInfo struct {
	ID         uint16
	VCPUs      uint16 // execution contexts
	Properties uint32
	UUID       UUID    // from version 1.1: the protocol, where all were asked for
	ImageUUID  UUID    // from version 1.3
	Version    Version // from version 1.3
}

// Properties of a partition. Which of them there are depends on the version: see PropertiesOf.
const (
	ReceivesDirect        = 1 << 0
	SendsDirect           = 1 << 1
	Indirect              = 1 << 2
	ReceivesNotifications = 1 << 3
	WantsVMCreated        = 1 << 6
	WantsVMDestroyed      = 1 << 7
	AArch64               = 1 << 8
	ReceivesDirect2       = 1 << 9
	SendsDirect2          = 1 << 10
)

// PropertiesOf are the properties that version v defines.
func PropertiesOf(v Version) uint32 {
	p := uint32(ReceivesDirect | SendsDirect | Indirect)
	if v >= Version11 {
		p |= ReceivesNotifications | WantsVMCreated | WantsVMDestroyed | AArch64
	}
	if v >= Version12 {
		p |= ReceivesDirect2 | SendsDirect2
	}
	return p
}

// Offsets of a partition information descriptor, and its sizes.
const (
	infoID         = 0 // u16
	infoVCPUs      = 2 // u16
	infoProperties = 4 // u32
	infoSize10     = 8
	infoUUID       = 8 // 16 bytes
	infoSize11     = 24
	infoImageUUID  = 24 // 16 bytes
	infoVersion    = 40 // u32
	infoReserved   = 44 // u32
	infoSize13     = 48

	// MaxPartitionInfo is the size of the largest descriptor.
	MaxPartitionInfo = infoSize13
)

// PartitionInfoSize is the size, in bytes, of a descriptor for a reader of version v.
func PartitionInfoSize(v Version) int {
	switch {
	case v < Version11:
		return infoSize10
	case v < Version13:
		return infoSize11
	}
	return infoSize13
}

// Encode writes the descriptor for a reader of version v. b has room for PartitionInfoSize.
func (p *PartitionInfo) Encode(b []byte, v Version) {
	le.PutUint16(b[infoID:], p.ID)
	le.PutUint16(b[infoVCPUs:], p.VCPUs)
	le.PutUint32(b[infoProperties:], p.Properties&PropertiesOf(v))
	if v >= Version11 {
		copy(b[infoUUID:infoSize11], p.UUID[:])
	}
	if v >= Version13 {
		copy(b[infoImageUUID:infoVersion], p.ImageUUID[:])
		le.PutUint32(b[infoVersion:], uint32(p.Version))
		le.PutUint32(b[infoReserved:], 0)
	}
}

// Registers x3 to x17 carry descriptors in FFA_PARTITION_INFO_GET_REGS.
const (
	infoRegs = 15

	// InfoTag tells one state of the list of partitions from another. The list never changes.
	InfoTag = 1
)

// InfoRegs is how many descriptors for a reader of version v fit into registers.
func InfoRegs(v Version) int { return infoRegs / (PartitionInfoSize(v) / 8) }

// InfoRequest reads x3 of FFA_PARTITION_INFO_GET_REGS: where in the list to go on, and in which.
func InfoRequest(x3 uint64) (start int, tag uint16) { return int(uint16(x3)), uint16(x3 >> 16) }

// InfoWord is x2 of the answer: the last index of the list, the last one in registers, and the descriptors' size.
func InfoWord(last, current int, v Version) uint64 {
	return uint64(uint16(last)) | uint64(uint16(current))<<16 | InfoTag<<32 | uint64(PartitionInfoSize(v))<<48
}

// EncodeRegs writes the descriptor into registers, PartitionInfoSize/8 of them.
func (p *PartitionInfo) EncodeRegs(x []uint64, v Version) {
	var b [MaxPartitionInfo]byte
	p.Encode(b[:], v)
	for i := range PartitionInfoSize(v) / 8 {
		x[i] = le.Uint64(b[8*i:])
	}
}
