package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
)

func checkPackageDoc(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		if p.Name == "" {
			continue // tests alone
		}
		var commented, docFile bool
		for _, f := range p.Files {
			if f.Test || f.AST.Doc == nil {
				continue
			}
			want := "Package " + p.Name + " "
			if p.Name == "main" {
				want = "Command " + path.Base(p.Path) + " "
			}
			if !strings.HasPrefix(f.AST.Doc.Text(), want) {
				rep.Report(f.Path, fmt.Sprintf("the package comment begins with %q", want))
			}
			commented = true
			docFile = docFile || path.Base(f.Path) == "doc.go"
		}
		switch {
		case !commented:
			rep.Report(p.Path, "the package has no comment")
		case !docFile && p.Public():
			rep.Report(p.Path, "the package comment stands in doc.go")
		}
	}
}

func checkExamples(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		if !p.Public() || p.Name == "" {
			continue
		}
		var found bool
		for _, f := range p.Files {
			for _, d := range f.AST.Decls {
				fn, ok := d.(*ast.FuncDecl)
				found = found || ok && f.Test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example")
			}
		}
		if !found {
			rep.Report(p.Path, "the package has no Example function")
		}
	}
}

func checkComments(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		if p.Name == "main" {
			continue
		}
		for _, f := range p.Files {
			if f.Test {
				continue
			}
			for _, d := range f.AST.Decls {
				switch x := d.(type) {
				case *ast.FuncDecl:
					recv := receiver(x)
					if x.Name.IsExported() && (x.Recv == nil || token.IsExported(recv)) && x.Doc == nil {
						rep.Report(f.at(x), function(x)+" has no comment")
					}
				case *ast.GenDecl:
					checkGroupComments(f, x, rep)
				}
			}
		}
	}
}

// checkGroupComments wants a comment on each exported name, or one on the group that holds it.
func checkGroupComments(f *File, g *ast.GenDecl, rep *Reporter) {
	for _, s := range g.Specs {
		switch x := s.(type) {
		case *ast.TypeSpec:
			if x.Name.IsExported() && x.Doc == nil && g.Doc == nil && x.Comment == nil {
				rep.Report(f.at(x), x.Name.Name+" has no comment")
			}
		case *ast.ValueSpec:
			for _, name := range x.Names {
				if name.IsExported() && x.Doc == nil && g.Doc == nil && x.Comment == nil {
					rep.Report(f.at(x), name.Name+" has no comment")
				}
			}
		}
	}
}
