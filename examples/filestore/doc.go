// Command filestore serves a store of one's own over iSCSI on 127.0.0.1:3260.
//
//	go run ./examples/filestore disk.img
//
// The store, in store.go, keeps its blocks in a file. Its test runs the suite that every store has
// to pass. A real one is in package backstore/file.
package main
