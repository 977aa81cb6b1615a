package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"sort"
	"strings"
)

// debugTag is the build tag that turns on checks of our own code.
const debugTag = "scsidebug"

// Repo is the source tree as the rules see it.
type Repo struct {
	Module   string      // module path
	Packages []*Package  // sorted by Path
	Tree     []TreeFile  // every file under version control, sorted by Path
	Requires []string    // direct requirements of go.mod
	Known    *Exceptions // exceptions to the rules
}

// TreeFile is one file of the tree, Go or not.
type TreeFile struct {
	Path string // slash-separated, relative to the root
	Data []byte
}

// Package is a directory with Go files, those of its tests included.
type Package struct {
	Path  string // relative to the module; "." for the root
	Name  string // package clause of the files that are no external tests
	Files []*File

	uses map[*ast.Ident]types.Object
	defs map[*ast.Ident]types.Object
}

// File is one parsed Go file.
type File struct {
	Path      string // relative to the root
	AST       *ast.File
	Lines     int
	Test      bool // named *_test.go
	External  bool // belongs to the package NAME_test
	Generated bool // named z*.go
	Debug     bool // only in builds with the debug tag

	fset *token.FileSet
}

// Finding is one breach of a rule.
type Finding struct {
	Rule string
	Pos  string // file, file:line, or a package
	Text string
}

// String returns the finding as one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (%s)", f.Pos, f.Text, f.Rule)
}

// NewRepo parses files, which maps paths relative to the root to contents. Only the directories
// named in dirs are taken as packages of the module; nil takes every directory with Go files.
func NewRepo(module string, files map[string][]byte, dirs []string) (*Repo, error) {
	r := &Repo{Module: module, Known: exceptions()}
	packages := make(map[string]*Package)
	for _, dir := range dirs {
		packages[dir] = &Package{Path: dir}
	}
	for name, data := range files {
		r.Tree = append(r.Tree, TreeFile{Path: name, Data: data})
	}
	sort.Slice(r.Tree, func(i, j int) bool { return r.Tree[i].Path < r.Tree[j].Path })

	fset := token.NewFileSet()
	for _, f := range r.Tree {
		if !strings.HasSuffix(f.Path, ".go") {
			continue
		}
		dir := path.Dir(f.Path)
		p := packages[dir]
		if p == nil {
			if dirs != nil {
				continue
			}
			p = &Package{Path: dir}
			packages[dir] = p
		}
		file, err := parseFile(fset, f)
		if err != nil {
			return nil, err
		}
		if !file.builds("") {
			continue // a program beside the package
		}
		p.Files = append(p.Files, file)
		if !file.External {
			p.Name = file.AST.Name.Name
		}
	}
	for _, p := range packages {
		if len(p.Files) == 0 {
			continue
		}
		p.resolve(fset)
		r.Packages = append(r.Packages, p)
	}
	sort.Slice(r.Packages, func(i, j int) bool { return r.Packages[i].Path < r.Packages[j].Path })
	return r, nil
}

// Is reports whether the package matches one of the patterns: a path, DIR/* for the directories
// directly below DIR, DIR/... for DIR and everything below it.
func (p *Package) Is(patterns ...string) bool { return matchAny(p.Path, patterns) }

// Public reports whether users of the module can import the package.
func (p *Package) Public() bool {
	return p.Name != "main" && p.Path != "." && !strings.Contains("/"+p.Path+"/", "/internal/")
}

// TestHelper reports whether the package exists to be imported by tests alone.
func (p *Package) TestHelper() bool {
	return strings.HasSuffix(path.Base(p.Path), "test") || p.Is(testHelpers...)
}

// Imports returns the import paths of the file, in order.
func (f *File) Imports() []string {
	var list []string
	for _, s := range f.AST.Imports {
		list = append(list, strings.Trim(s.Path.Value, "\"`"))
	}
	return list
}

// at returns the position of n as file:line.
func (f *File) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.fset.Position(n.Pos()).Line)
}

// pkgMember returns the import path and the name when e is a use of a name of another package,
// as in os.Exit, and empty strings otherwise.
func (p *Package) pkgMember(e ast.Expr) (pkg, name string) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	if n, ok := p.uses[id].(*types.PkgName); ok {
		return n.Imported().Path(), sel.Sel.Name
	}
	return "", ""
}

// builtin reports whether e is the predeclared function of that name, not one that hides it.
func (p *Package) builtin(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	if !ok || id.Name != name {
		return false
	}
	_, ok = p.uses[id].(*types.Builtin)
	return ok
}

// global returns the package-level variable of this package that id refers to, or nil.
func (p *Package) global(id *ast.Ident) *types.Var {
	v, ok := p.uses[id].(*types.Var)
	if !ok || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

// resolve binds the identifiers of the package to what they denote. Other packages are taken as
// empty, so what comes from them stays unresolved: the rules need scopes, not types.
func (p *Package) resolve(fset *token.FileSet) {
	info := &types.Info{
		Uses: make(map[*ast.Ident]types.Object),
		Defs: make(map[*ast.Ident]types.Object),
	}
	for _, external := range []bool{false, true} {
		var files []*ast.File
		for _, f := range p.Files {
			if f.External == external {
				files = append(files, f.AST)
			}
		}
		conf := types.Config{
			Importer: emptyImporter{},
			Error:    func(error) {}, // every use of another package is one
		}
		// The returned error repeats the first of those.
		_, _ = conf.Check(p.Path, fset, files, info)
	}
	p.uses, p.defs = info.Uses, info.Defs
}

// emptyImporter stands in for every imported package.
type emptyImporter struct{}

// Import returns a complete package without any name in it.
func (emptyImporter) Import(name string) (*types.Package, error) {
	if name == "unsafe" {
		return types.Unsafe, nil
	}
	p := types.NewPackage(name, strings.TrimSuffix(path.Base(name), ".v3"))
	p.MarkComplete()
	return p, nil
}

func parseFile(fset *token.FileSet, f TreeFile) (*File, error) {
	tree, err := parser.ParseFile(fset, f.Path, f.Data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	base := path.Base(f.Path)
	file := &File{
		Path:      f.Path,
		AST:       tree,
		Lines:     bytes.Count(f.Data, []byte("\n")),
		Test:      strings.HasSuffix(base, "_test.go"),
		External:  strings.HasSuffix(tree.Name.Name, "_test") && strings.HasSuffix(base, "_test.go"),
		Generated: strings.HasPrefix(base, "z"),
		fset:      fset,
	}
	file.Debug = !file.builds(debugTag)
	return file, nil
}

// builds reports whether the file can be part of the package when the build tag without is not set
// and every other one is as it needs to be; the tag "ignore" never is set.
func (f *File) builds(without string) bool {
	for _, g := range f.AST.Comments {
		if g.Pos() > f.AST.Package {
			break
		}
		for _, c := range g.List {
			expr, err := constraint.Parse(c.Text)
			if err != nil {
				continue // any other comment
			}
			return satisfiable(expr, func(tag string) bool { return tag != without && tag != "ignore" })
		}
	}
	return true
}

// satisfiable reports whether an expression can hold if only the tags that may allows can be set.
func satisfiable(e constraint.Expr, may func(string) bool) bool {
	switch x := e.(type) {
	case *constraint.AndExpr:
		return satisfiable(x.X, may) && satisfiable(x.Y, may)
	case *constraint.OrExpr:
		return satisfiable(x.X, may) || satisfiable(x.Y, may)
	case *constraint.NotExpr:
		return true // not setting a tag is always possible
	case *constraint.TagExpr:
		return may(x.Tag)
	}
	return true
}

// matchAny reports whether name matches one of the patterns; see [Package.Is].
func matchAny(name string, patterns []string) bool {
	for _, p := range patterns {
		switch {
		case p == name:
			return true
		case strings.HasSuffix(p, "/..."):
			dir := strings.TrimSuffix(p, "/...")
			if name == dir || strings.HasPrefix(name, dir+"/") {
				return true
			}
		case strings.HasSuffix(p, "/*"):
			if path.Dir(name) == strings.TrimSuffix(p, "/*") {
				return true
			}
		}
	}
	return false
}
