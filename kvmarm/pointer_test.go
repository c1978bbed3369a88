package kvmarm

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pointerFaults returns what file does against the rules on pointers of the package comment. The
// compiler and go vet see none of it.
func pointerFaults(fset *token.FileSet, name string, file *ast.File) []string {
	var faults []string
	fault := func(n ast.Node, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("%v: %s", fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	for _, i := range file.Imports {
		if i.Path.Value == `"unsafe"` && !strings.Contains(filepath.Base(name), "_unsafe") {
			fault(i, "unsafe outside of a file named *_unsafe*.go")
		}
	}
	var stack []ast.Node // of the node that is looked at and those around it
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		switch n := n.(type) {
		case *ast.FuncDecl:
			for _, p := range n.Type.Params.List {
				if isIdent(p.Type, "uintptr") {
					fault(p, "a parameter of type uintptr hides an address from the garbage collector")
				}
			}
		case *ast.CallExpr:
			if !isUnsafePointer(n.Fun) {
				break
			}
			outer, ok := stack[len(stack)-2].(*ast.CallExpr)
			switch {
			case !ok || outer.Fun == ast.Expr(n):
				fault(n, "an unsafe.Pointer is kept instead of converted on the spot")
			case isIdent(outer.Fun, "uintptr") && !mayBecomeNumber(stack):
				fault(n, "an address becomes a number outside of the arguments of a Syscall")
			}
		}
		return true
	})
	return faults
}

// mayBecomeNumber reports whether one of the nodes is a system call or the function for memory that
// does not move.
func mayBecomeNumber(stack []ast.Node) bool {
	return slices.ContainsFunc(stack, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return n.Name.Name == "offHeapAddress"
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			return ok && isIdent(s.X, "unix") && strings.Contains(s.Sel.Name, "Syscall")
		}
		return false
	})
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func isUnsafePointer(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && isIdent(s.X, "unsafe") && s.Sel.Name == "Pointer"
}

func TestPointersAreHandedToTheKernelByTheRules(t *testing.T) {
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != ".." && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, f := range pointerFaults(fset, path, file) {
			t.Error(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBreachesOfThePointerRulesAreFound(t *testing.T) {
	for _, c := range []struct {
		name, file, body string
		faults           int
	}{
		{"inside a Syscall", "a_unsafe.go", `func f(p *int) { unix.Syscall(1, 2, uintptr(unsafe.Pointer(p)), 3) }`, 0},
		{"mapped memory", "a_unsafe.go", `func offHeapAddress(p *int) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }`, 0},
		{"cast of a pointer", "a_unsafe.go", `func f(p *int) *uint { return (*uint)(unsafe.Pointer(p)) }`, 0},
		{"the wrong file", "a.go", `func f(p *int) *uint { return (*uint)(unsafe.Pointer(p)) }`, 1},
		{"before the Syscall", "a_unsafe.go", `func f(p *int) { a := uintptr(unsafe.Pointer(p)); unix.Syscall(1, 2, a, 3) }`, 1},
		{"by another function", "a_unsafe.go", `func f(p *int) { ioctl(1, 2, uintptr(unsafe.Pointer(p))) }`, 1},
		{"a kept pointer", "a_unsafe.go", `func f(p *int) { q := unsafe.Pointer(p); unix.Syscall(1, 2, uintptr(q), 3) }`, 1},
		{"an address as a parameter", "a_unsafe.go", `func f(a uintptr) { unix.Syscall(1, 2, a, 3) }`, 1},
		{"in a structure", "a_unsafe.go", `func f(p *int) { g(s{a: uint64(uintptr(unsafe.Pointer(p)))}) }`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, c.file, "package a\nimport \"unsafe\"\n"+c.body, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := pointerFaults(fset, c.file, file); len(got) != c.faults {
				t.Errorf("found %q, want %d faults", got, c.faults)
			}
		})
	}
}
