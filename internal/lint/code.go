package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// library reports whether the rules for library code hold in the file.
func library(p *Package, f *File) bool {
	return !f.Test && !p.Is(programs...) && !p.Is("internal/lint")
}

// function names the declaration that a node stands in, as Func or Type.Method; code outside of
// functions is in "var".
func function(d ast.Decl) string {
	fn, ok := d.(*ast.FuncDecl)
	if !ok {
		return "var"
	}
	if name := receiver(fn); name != "" {
		return name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// receiver returns the name of the type that a method belongs to, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	t := fn.Recv.List[0].Type
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// eachCall calls f for every call expression, with the place FILE:FUNC that it stands in.
func (r *Repo) eachCall(f func(p *Package, file *File, call *ast.CallExpr, place string)) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			for _, d := range file.AST.Decls {
				place := file.Path + ":" + function(d)
				ast.Inspect(d, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						f(p, file, call, place)
					}
					return true
				})
			}
		}
	}
}

func checkInit(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			for _, d := range file.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" &&
					!r.Known.Inits.has(file.Path) {
					rep.Report(file.at(fn), "an init function runs in every program that imports the package")
				}
			}
		}
	}
}

func checkExit(r *Repo, rep *Reporter) {
	r.eachCall(func(p *Package, file *File, call *ast.CallExpr, place string) {
		pkg, name := p.pkgMember(call.Fun)
		fatal := strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic")
		switch {
		case pkg == "os" && name == "Exit", pkg == "syscall" && name == "Exit", pkg == "log" && fatal:
			example := file.Test && strings.HasPrefix(place, file.Path+":Example")
			if p.Is(programs...) && !file.Test || example || r.Known.Exits.has(place) {
				return // an example is a program to its reader
			}
			rep.Report(file.at(call), fmt.Sprintf("%s.%s ends the process of the application", pkg, name))
		case pkg == "fmt" && strings.HasPrefix(name, "Print"), p.builtin(call.Fun, "println"), p.builtin(call.Fun, "print"):
			if library(p, file) {
				rep.Report(file.at(call), "library code does not print")
			}
		}
	})
}

func checkPanic(r *Repo, rep *Reporter) {
	r.eachCall(func(p *Package, file *File, call *ast.CallExpr, place string) {
		if !p.builtin(call.Fun, "panic") || !library(p, file) || file.Debug || r.Known.Panics.has(place) {
			return
		}
		rep.Report(file.at(call), "panic in "+place+" is not on the list of API misuse (internal/lint/exceptions.go)")
	})
}

func checkZap(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			ast.Inspect(file.AST, func(n ast.Node) bool {
				e, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, name := p.pkgMember(e)
				switch {
				case pkg == moduleZap && slices.Contains([]string{"L", "S", "ReplaceGlobals", "RedirectStdLog"}, name):
					rep.Report(file.at(e), "zap."+name+" is the global logger")
				case pkg == moduleZap && name == "SugaredLogger":
					rep.Report(file.at(e), "a sugared logger allocates for each field")
				case pkg == "" && e.Sel.Name == "Sugar" && slices.ContainsFunc(file.Imports(), func(s string) bool { return within(s, moduleZap) }):
					rep.Report(file.at(e), "a sugared logger allocates for each field")
				}
				return true
			})
		}
	}
}

func checkSleep(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			if !file.Test && !p.TestHelper() {
				continue
			}
			ast.Inspect(file.AST, func(n ast.Node) bool {
				e, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, name := p.pkgMember(e); pkg == "time" && name == "Sleep" {
					rep.Report(file.at(e), "a test waits for an event, not for a time")
				}
				return true
			})
		}
	}
}

func checkSkip(r *Repo, rep *Reporter) {
	r.eachCall(func(_ *Package, file *File, call *ast.CallExpr, place string) {
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) ||
			!slices.Contains(file.Imports(), "testing") {
			return
		}
		var name string
		switch x := sel.X.(type) {
		case *ast.Ident:
			name = x.Name
		case *ast.SelectorExpr:
			name = x.Sel.Name
		case *ast.CallExpr: // T() and the like
			if s, ok := x.Fun.(*ast.SelectorExpr); ok {
				name = s.Sel.Name
			}
		}
		if slices.Contains([]string{"t", "tb", "b", "f", "T", "TB", "B", "F"}, name) && !r.Known.Skips.has(place) {
			rep.Report(file.at(call), "a test is skipped only for what the machine lacks, by Tool or Missing of internal/peers")
		}
	})
}

// mutableTypes are the types of other packages whose values exist to change.
var mutableTypes = map[string][]string{
	"sync":        {"Map", "Mutex", "RWMutex", "Once", "WaitGroup", "Pool", "Cond"},
	"sync/atomic": {"Bool", "Int32", "Int64", "Uint32", "Uint64", "Uintptr", "Pointer", "Value"},
}

func checkGlobals(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			if !library(p, file) {
				continue
			}
			report := func(n ast.Node, name, why string) {
				if !r.Known.Globals.has(p.Path + "." + name) {
					rep.Report(file.at(n), fmt.Sprintf("package-level variable %s %s: it is state that all engines of a process share", name, why))
				}
			}
			for _, d := range file.AST.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					checkGlobalTypes(p, g, report)
				}
			}
			checkGlobalWrites(p, file.AST, report)
		}
	}
}

// checkGlobalTypes reports the variables whose type exists to change.
func checkGlobalTypes(p *Package, g *ast.GenDecl, report func(ast.Node, string, string)) {
	for _, s := range g.Specs {
		v := s.(*ast.ValueSpec)
		types := append([]ast.Expr{v.Type}, v.Values...)
		for _, e := range types {
			if why := mutable(p, e); why != "" && v.Names[0].Name != "_" {
				report(v, v.Names[0].Name, why)
				break
			}
		}
	}
}

// mutable says why a type, or the value of a type, exists to change; "" if it does not.
func mutable(p *Package, e ast.Expr) string {
	switch x := e.(type) {
	case *ast.ChanType:
		return "is a channel"
	case *ast.CallExpr:
		if (p.builtin(x.Fun, "make") || p.builtin(x.Fun, "new")) && len(x.Args) > 0 {
			if _, ok := x.Args[0].(*ast.MapType); ok {
				return "is a map that starts empty"
			}
			return mutable(p, x.Args[0])
		}
	case *ast.UnaryExpr:
		return mutable(p, x.X)
	case *ast.CompositeLit:
		if _, ok := x.Type.(*ast.MapType); ok && len(x.Elts) == 0 {
			return "is a map that starts empty"
		}
		return mutable(p, x.Type)
	case *ast.IndexExpr: // atomic.Pointer[T]
		return mutable(p, x.X)
	case *ast.StarExpr:
		return mutable(p, x.X)
	case *ast.SelectorExpr:
		if pkg, name := p.pkgMember(x); slices.Contains(mutableTypes[pkg], name) {
			return fmt.Sprintf("is a %s.%s", pkg, name)
		}
	}
	return ""
}

// checkGlobalWrites reports the statements that change a package-level variable.
func checkGlobalWrites(p *Package, tree *ast.File, report func(ast.Node, string, string)) {
	write := func(n ast.Node, e ast.Expr) {
		if id := root(e); id != nil && p.global(id) != nil {
			report(n, id.Name, "is written to")
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if x.Tok != token.DEFINE {
				for _, e := range x.Lhs {
					write(x, e)
				}
			}
		case *ast.IncDecStmt:
			write(x, x.X)
		case *ast.RangeStmt:
			if x.Tok == token.ASSIGN {
				write(x, x.Key)
				write(x, x.Value)
			}
		case *ast.CallExpr:
			if (p.builtin(x.Fun, "delete") || p.builtin(x.Fun, "clear") || p.builtin(x.Fun, "copy")) && len(x.Args) > 0 {
				write(x, x.Args[0])
			}
		}
		return true
	})
}

// root returns the variable that an assignable expression is a part of.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
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
