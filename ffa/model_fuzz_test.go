package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

// Whatever calls the fuzzer finds, the core agrees with the model, in both interfaces.
func FuzzCallsAgreeWithTheModel(f *testing.F) {
	randomtest.AddScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1<<12 {
			return
		}
		s := randomtest.Script(script[1:])
		p := newPlayer(t, script[0]&1 == 1, &s)
		for len(s) > 0 {
			p.step()
		}
		p.end()
	})
}
