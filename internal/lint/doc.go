// Package lint holds the architecture of the module as rules that a test checks.
//
// A rule is a function over a [Repo], the parsed form of the whole source tree: every Go file of
// every platform, its imports, its identifiers resolved within the package, and every other text
// file that the version control system knows. A rule returns its findings, and the test of this
// package fails on any:
//
//	go test ./internal/lint
//
// The rules are listed by [Rules]. Where a rule has exceptions they stand in exceptions.go, each
// with its reason; an exception that no code needs any more is a finding itself, so the lists can
// only describe what is there. The layers, who may import whom, are the table in layers.go.
//
// Every rule is also run over small trees made for it, one that keeps it and at least one that
// breaks it, so that no rule can fall silent unnoticed.
//
// Only the test and internal/dev use this package.
package lint
