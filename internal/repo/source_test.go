package repo_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is the length at which a file is to be split by noun.
const maxLines = 500

// source is one file with what the rules on source need to know.
type source struct {
	name   string // within the repository
	test   bool
	bench  bool // programs that measure may sleep: they keep a clock
	parsed *ast.File
	fset   *token.FileSet
	lines  int
}

func parse(name string, text []byte) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	return source{
		name: name, parsed: f, fset: fset, lines: bytes.Count(text, []byte("\n")),
		test: strings.HasSuffix(name, "_test.go"), bench: strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "internal/bench/"),
	}, err
}

// sources gives the files of each package, without generated ones.
func sources(t *testing.T) [][]source {
	t.Helper()
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]source
	for _, p := range packages(t) {
		var files []source
		for _, group := range [][]string{p.GoFiles, p.TestGoFiles, p.XTestGoFiles} {
			for _, name := range group {
				path := filepath.Join(p.Dir, name)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				rel, err := filepath.Rel(abs, path)
				if err != nil {
					t.Fatal(err)
				}
				s, err := parse(filepath.ToSlash(rel), text)
				if err != nil {
					t.Fatal(err)
				}
				if !ast.IsGenerated(s.parsed) {
					files = append(files, s)
				}
			}
		}
		all = append(all, files)
	}
	return all
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(n.Pos()).Line)
}

// checkFile returns what is wrong with one file.
func checkFile(s source) []string {
	var bad []string
	if s.lines > maxLines {
		bad = append(bad, fmt.Sprintf("%s has %d lines: split it by noun, the limit is %d", s.name, s.lines, maxLines))
	}
	synctest := false
	for _, i := range s.parsed.Imports {
		synctest = synctest || i.Path.Value == `"testing/synctest"`
	}
	ast.Inspect(s.parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				bad = append(bad, s.at(n)+": init runs unseen; call it from app")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			switch name := x.Name + "." + n.Sel.Name; name {
			case "time.Sleep":
				if s.test && !synctest && !s.bench {
					bad = append(bad, s.at(n)+": a test sleeps: use testing/synctest for time, signals for I/O")
				}
				if !s.test && !s.bench {
					bad = append(bad, s.at(n)+": a sleep that nothing can end: use a timer and a context")
				}
			case "http.DefaultServeMux", "http.Handle", "http.HandleFunc", "http.ListenAndServe", "http.ListenAndServeTLS":
				bad = append(bad, s.at(n)+": "+name+" serves what importing net/http/pprof registers")
			}
		}
		return true
	})
	return bad
}

// checkGlobals returns the package variables of production files that are written after they were made, or are made to be
// written: locks, atomics, channels, and maps made empty.
func checkGlobals(files []source) []string {
	var bad []string
	globals := map[string]bool{}
	for _, s := range files {
		if s.test {
			continue
		}
		for _, d := range s.parsed.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for _, n := range v.Names {
					globals[n.Name] = n.Name != "_"
				}
				if madeToBeWritten(v) {
					bad = append(bad, fmt.Sprintf("%s: package variable %s is state: give it an owner", s.at(v), v.Names[0].Name))
				}
			}
		}
	}
	for _, s := range files {
		ast.Inspect(s.parsed, func(n ast.Node) bool {
			var written []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					written = n.Lhs
				}
			case *ast.IncDecStmt:
				written = []ast.Expr{n.X}
			}
			for _, e := range written {
				if id := rootIdent(e); id != nil && globals[id.Name] && isGlobal(s.parsed, id) {
					bad = append(bad, fmt.Sprintf("%s: package variable %s is written: give it an owner", s.at(id), id.Name))
				}
			}
			return true
		})
	}
	return bad
}

// rootIdent returns x of x, x.f, x[i] and *x.
func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// isGlobal reports whether an identifier means a variable of the package: one of this file's scope, or one that the parser,
// which resolves names within a file only, leaves open.
func isGlobal(f *ast.File, id *ast.Ident) bool {
	return id.Obj == nil || f.Scope.Lookup(id.Name) == id.Obj
}

func madeToBeWritten(v *ast.ValueSpec) bool {
	written := func(e ast.Expr) bool {
		switch t := e.(type) {
		case *ast.SelectorExpr:
			x, ok := t.X.(*ast.Ident)
			// A pool may stand alone: what it holds is nobody's state.
			return ok && (x.Name == "sync" && t.Sel.Name != "Pool" || x.Name == "atomic")
		case *ast.IndexExpr:
			sel, ok := t.X.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			x, ok := sel.X.(*ast.Ident)
			return ok && x.Name == "atomic"
		case *ast.ChanType:
			return true
		}
		return false
	}
	if v.Type != nil && written(v.Type) {
		return true
	}
	for _, value := range v.Values {
		if c, ok := value.(*ast.CompositeLit); ok && written(c.Type) {
			return true
		}
		if c, ok := value.(*ast.CallExpr); ok {
			if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "make" {
				return true
			}
		}
	}
	return false
}

func TestSource(t *testing.T) {
	t.Parallel()
	for _, files := range sources(t) {
		for _, s := range files {
			report(t, checkFile(s))
		}
		report(t, checkGlobals(files))
	}
}

func checkDoc(p pkg) []string {
	want := "Package " + p.Name + " "
	switch {
	case len(p.GoFiles) == 0:
		return nil
	case p.Doc == "":
		return []string{p.short() + " has no package comment: say what it owns, what it does not, and who runs its goroutines"}
	case p.Name == "main":
		return nil // begins with the name of the command
	case !strings.HasPrefix(p.Doc, want):
		return []string{fmt.Sprintf("the comment of package %s begins %q, not %q", p.short(), p.Doc, want)}
	}
	return nil
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		report(t, checkDoc(p))
	}
}

func TestSourceRulesFindViolations(t *testing.T) {
	t.Parallel()
	f := func(name, text, want string) {
		t.Helper()
		s, err := parse(name, []byte("package p\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		other, err := parse("other.go", []byte("package p\nvar table = map[string]int{}\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := append(checkFile(s), checkGlobals([]source{s, other})...)
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%s: %v, want nothing", text, got)
		case want != "" && (len(got) != 1 || !strings.Contains(got[0], want)):
			t.Errorf("%s: %v, want one with %q", text, got, want)
		}
	}
	f("a.go", "var errX = errors.New(``)\nvar names = [...]string{`a`}\nvar _ io.Reader = (*T)(nil)", "")
	f("a.go", "func f() { var n int; n = 1; n++; _ = n }", "")
	f("a.go", "func f() { table := g(); table[`a`] = 1 }", "")
	f("a.go", "func (t T) init() {}", "")
	f("a.go", "var buffers = sync.Pool{}", "")
	f("a.go", "func init() {}", "init runs unseen")
	f("a.go", "func f() { time.Sleep(1) }", "a sleep that nothing can end")
	f("a_test.go", "func f() { time.Sleep(1) }", "a test sleeps")
	f("a_test.go", "import `testing`\nfunc f() { time.Sleep(1) }", "a test sleeps")
	f("a_test.go", "import \"testing/synctest\"\nfunc f() { time.Sleep(1) }", "")
	f("bench/x/a.go", "func f() { time.Sleep(1) }", "")
	f("a.go", "func f() { http.Handle(`/`, nil) }", "net/http/pprof registers")
	f("a.go", "var n int\nfunc f() { n++ }", "package variable n is written")
	f("a.go", "func f() { table[`a`] = 1 }", "package variable table is written")
	f("a.go", "var mu sync.Mutex", "package variable mu is state")
	f("a.go", "var p atomic.Pointer[int]", "package variable p is state")
	f("a.go", "var c = make(chan int)", "package variable c is state")
	f("a.go", "var m = sync.Map{}", "package variable m is state")
	f("a.go", strings.Repeat("\n", maxLines), "split it by noun")
}

func TestDocRuleFindsViolations(t *testing.T) {
	t.Parallel()
	f := func(p pkg, want int) {
		t.Helper()
		if got := checkDoc(p); len(got) != want {
			t.Errorf("%+v: %v, want %d", p, got, want)
		}
	}
	files := []string{"a.go"}
	f(pkg{Name: "pace", Doc: "Package pace keeps state.", GoFiles: files}, 0)
	f(pkg{Name: "pace", GoFiles: files}, 1)
	f(pkg{Name: "pace", Doc: "Pace keeps state.", GoFiles: files}, 1)
	f(pkg{Name: "main", Doc: "Sluice is a gateway.", GoFiles: files}, 0)
	f(pkg{Name: "main", GoFiles: files}, 1)
	f(pkg{Name: "repo_test"}, 0)
}
