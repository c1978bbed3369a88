package hfvmm_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs returns the texts of the documentation, by file.
func docs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("documentation %v: %v", files, err)
	}
	texts := map[string]string{}
	for _, file := range append(files, "README.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(b)
	}
	return texts
}

// sources calls visit for every Go file of the tree that parses.
func sources(t *testing.T, visit func(path string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "build" || path == "bin" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(path, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	testNames  = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	testFiles  = regexp.MustCompile("`((?:\\w+/)*\\w+_test\\.go)`")
	guestLists = regexp.MustCompile("(programs?|suites?) ((?:`\\w+`(?:, | and )?)+)")
	quoted     = regexp.MustCompile("`(\\w+)`")
)

func TestTestsNamedInTheDocsExist(t *testing.T) {
	functions, files := map[string]bool{}, map[string]bool{}
	sources(t, func(path string, f *ast.File) {
		files[filepath.ToSlash(path)], files[filepath.Base(path)] = true, true
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				functions[fn.Name.Name] = true
			}
		}
	})
	programs, err := os.ReadFile("vmm/machine_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for file, text := range docs(t) {
		for _, m := range testNames.FindAllStringSubmatch(text, -1) {
			if names++; !functions[m[1]] {
				t.Errorf("%s: there is no test %s", file, m[1])
			}
		}
		for _, m := range testFiles.FindAllStringSubmatch(text, -1) {
			if !files[m[1]] {
				t.Errorf("%s: there is no file %s", file, m[1])
			}
		}
		for _, list := range guestLists.FindAllStringSubmatch(text, -1) {
			for _, m := range quoted.FindAllStringSubmatch(list[2], -1) {
				if testNames.MatchString(m[0]) {
					continue // the list went on with tests
				}
				suite, err := os.Stat("guest/baremetal/suite/" + m[1] + ".c")
				if strings.HasPrefix(list[1], "suite") && (err != nil || suite.IsDir()) {
					t.Errorf("%s: there is no suite %s", file, m[1])
				}
				if strings.HasPrefix(list[1], "program") && !strings.Contains(string(programs), strconv.Quote(m[1])) {
					t.Errorf("%s: there is no program %s", file, m[1])
				}
			}
		}
	}
	if names < 100 {
		t.Errorf("the documentation names %d tests, which is too few to be true", names)
	}
}

// numbers are hexadecimal numbers in backticks, alone or from one to another of which only the end is written.
var numbers = regexp.MustCompile("`(?:0x)?([0-9A-Fa-f]{4,8})`(?:–`(?:0x)?([0-9A-Fa-f]{2,8})`)?")

// documented are the function identifiers that a text has.
func documented(text string) (ids map[uint64]bool, err error) {
	ids = map[uint64]bool{}
	for _, m := range numbers.FindAllStringSubmatch(text, -1) {
		first, last := m[1], m[2]
		if last == "" {
			last = first
		}
		if len(last) < len(first) {
			last = first[:len(first)-len(last)] + last
		}
		from, err1 := strconv.ParseUint(first, 16, 64)
		to, err2 := strconv.ParseUint(last, 16, 64)
		if err1 != nil || err2 != nil || to < from || to-from > 1<<12 {
			return nil, fmt.Errorf("%s is no range of numbers", m[0])
		}
		for id := from; id <= to; id++ {
			ids[id] = true
		}
	}
	return ids, nil
}

// Every function identifier that the code has a name for is in a table of docs/abi.md.
func TestEveryFunctionIdentifierIsDocumented(t *testing.T) {
	ids, err := documented(docs(t)["docs/abi.md"])
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	sources(t, func(path string, f *ast.File) {
		room := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{"hypercall", "ffa", "sdei", "pvsched"}, room) {
			return
		}
		for _, d := range f.Decls {
			consts, ok := d.(*ast.GenDecl)
			if !ok || consts.Tok != token.CONST {
				continue
			}
			for _, s := range consts.Specs {
				spec := s.(*ast.ValueSpec)
				if !isFuncID(spec.Type) || len(spec.Values) != 1 {
					continue
				}
				lit, ok := spec.Values[0].(*ast.BasicLit)
				if !ok {
					continue
				}
				id, err := strconv.ParseUint(lit.Value, 0, 64)
				if err != nil {
					continue
				}
				const smc64, architecture = 1 << 30, 0x8000_0000
				if found++; id < architecture+0x10000 && id >= architecture || id == smc64 {
					continue // the host's to answer
				}
				if !ids[id] {
					t.Errorf("%s: %s (%#x) is not in docs/abi.md", path, spec.Names[0].Name, id)
				}
			}
		}
	})
	if found < 80 {
		t.Errorf("found %d function identifiers, which is too few to be true", found)
	}
}

func isFuncID(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "FuncID"
	case *ast.SelectorExpr:
		return e.Sel.Name == "FuncID"
	}
	return false
}
