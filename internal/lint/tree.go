package lint

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxLines bounds a hand-written Go file: more than one noun is in a longer one.
const maxLines = 800

// topLevel is what the root directory may hold, beside names that begin with a dot.
var topLevel = []string{
	"scsi", "fabric", "backstore", "sgv", "alua", "examples", "internal", "doc.go", "go.mod", "go.sum",
	"README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
}

func checkTopLevel(r *Repo, rep *Reporter) {
	seen := make(map[string]bool)
	for _, f := range r.Tree {
		name, _, _ := strings.Cut(f.Path, "/")
		if seen[name] || strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) {
			continue
		}
		seen[name] = true
		rep.Report(name, "is not among the agreed entries of the top level")
	}
}

func checkFileSize(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		for _, f := range p.Files {
			if !f.Generated && f.Lines > maxLines {
				rep.Report(f.Path, fmt.Sprintf("has %d lines, %d are the limit: it holds more than one noun", f.Lines, maxLines))
			}
		}
	}
}

// The patterns are put together from parts, for this file is one of those searched.
var (
	outside   = regexp.MustCompile(`\.\./` + `shared|(^|\W)\.` + `library\b|(^|[^\w/.-])/` + `work/|/tmp/` + `(research|brief)`)
	leftovers = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b|(?i)not ` + `implemented yet`)
)

func checkReferences(r *Repo, rep *Reporter) {
	r.grep(outside, func(pos, text string) {
		rep.Report(pos, "refers outside the repository: "+text)
	})
}

func checkLeftovers(r *Repo, rep *Reporter) {
	r.grep(leftovers, func(pos, text string) {
		rep.Report(pos, "unfinished: "+text)
	})
}

// grep calls f for every line of every text file that re matches.
func (r *Repo) grep(re *regexp.Regexp, f func(pos, text string)) {
	for _, file := range r.Tree {
		if bytes.IndexByte(file.Data, 0) >= 0 || !re.Match(file.Data) {
			continue
		}
		for i, line := range bytes.Split(file.Data, []byte("\n")) {
			if m := re.Find(line); m != nil {
				f(fmt.Sprintf("%s:%d", file.Path, i+1), string(bytes.TrimSpace(m)))
			}
		}
	}
}

// generatedMark is the line by which tools know generated Go code.
var generatedMark = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func checkGenerated(r *Repo, rep *Reporter) {
	data := make(map[string][]byte)
	for _, f := range r.Tree {
		data[f.Path] = f.Data
	}
	for _, p := range r.Packages {
		var how bool
		for _, f := range p.Files {
			how = how || bytes.Contains(data[f.Path], []byte("\n//go:"+"generate "))
		}
		for _, f := range p.Files {
			marked := generatedMark.Match(data[f.Path])
			switch {
			case marked && !f.Generated:
				rep.Report(f.Path, "is generated: its name begins with z")
			case f.Generated && !marked:
				rep.Report(f.Path, "is named as a generated file, and has no line that says so")
			case f.Generated && !how:
				rep.Report(f.Path, fmt.Sprintf("no file of %s has a go:generate line for it", path.Dir(f.Path)))
			}
		}
	}
}
