package sdei

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

// Whatever calls and events the fuzzer finds, the dispatcher agrees with the model.
func FuzzStepsAgreeWithTheModel(f *testing.F) {
	randomtest.AddScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<12 {
			return
		}
		s := randomtest.Script(script)
		p := newPlayer(t, &s, t.Fatalf)
		for len(s) > 0 {
			p.step()
		}
	})
}
