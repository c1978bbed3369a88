package hypercall

// AffinityMask has the affinity fields of MPIDR_EL1 that name a PE (DDI0487 D19.2.105): Aff3 and Aff2..Aff0.
const AffinityMask = 0xFF_00FF_FFFF

// Affinity returns the affinity fields that KVM gives vCPU index in MPIDR_EL1: 16 vCPUs to a
// cluster, which is how far an SGI reaches in GICv3, and 256 clusters to the next level.
func Affinity(index int) uint64 {
	n := uint64(index)
	return n&0xF | n>>4&0xFF<<8 | n>>12&0xFF<<16
}

// AffinityIndex is the inverse of Affinity for a machine of count vCPUs. It is false for values that
// name no vCPU, among them those that use bits which are no affinity field.
func AffinityIndex(affinity uint64, count int) (index int, ok bool) {
	index = int(affinity&0xF | affinity>>8&0xFF<<4 | affinity>>16&0xFF<<12)
	return index, index < count && Affinity(index) == affinity
}
