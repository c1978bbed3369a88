package ffa

// Access is what a VM may do with a page: a set of rights, none of which is no access.
type Access uint8

// The rights. Whoever may write or execute may read.
const (
	Read Access = 1 << iota
	Write
	Execute

	FullAccess = Read | Write | Execute
)

// Mapping is the access of VM number VM to a range of pages.
type Mapping struct {
	VM     int
	Span   Span
	Access Access
}

// Stage2 is the translation from IPA to PA of every VM: what makes the core's word on memory true. The
// core calls Park, Remap and Resume in this order, on the thread of a vCPU that makes a call. Between Park and Resume the
// whole machine waits, so nothing happens there but Remap.
type Stage2 interface {
	// Park stops every vCPU of the machine from running guest code until Resume.
	Park()
	Resume()
	// Remap changes what VMs may access, in this order, or changes nothing and fails because it
	// would need more than it has.
	Remap([]Mapping) error
	// Fits fails if Remap would need more than stage 2 has. It changes nothing and needs no Park.
	Fits([]Mapping) error
}
