package vmm

// Scope says which VMs an optional service serves. The others are told that there is no such call.
type Scope uint8

// The scopes.
const (
	Nobody Scope = iota
	ThePrimary
	AllVMs
)

// Scopes are all scopes, in the order of their values.
var Scopes = [...]Scope{Nobody, ThePrimary, AllVMs}

func (s Scope) String() string { return [...]string{"off", "primary", "all"}[s] }

// serves reports whether VM index, 0 for the primary, is served.
func (s Scope) serves(index int) bool { return s == AllVMs || s == ThePrimary && index == 0 }
