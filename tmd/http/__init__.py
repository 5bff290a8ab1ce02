"""HTTP on the loop: connections, authentication, XML-RPC, streams, pages. Standard library only, no threads."""
