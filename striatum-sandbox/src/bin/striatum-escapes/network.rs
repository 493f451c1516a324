//! Whatever can be talked to.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixStream},
    },
    time::Duration,
};

use crate::{
    raw::{call, number, only_if},
    run::{
        Attempt,
        Real::{Always, Host, Root},
    },
};

const PATIENCE: Duration = Duration::from_millis(400);

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("connect to the loopback", Always, |lures| tcp(lures.tcp)),
    Attempt::new("connect to the loopback by the newer protocol", Host, |lures| {
        tcp(lures.tcp6.ok_or_else(|| io::Error::other("the host has none"))?)
    }),
    Attempt::new("send a datagram and be answered", Always, |lures| {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send_to(lures.secret.as_bytes(), lures.udp)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        only_if(answer.get(..length) == Some(lures.secret.as_bytes()), "it is another")
    }),
    Attempt::new("ask the agent of keys", Always, |lures| asks(UnixStream::connect(&lures.socket)?)),
    Attempt::new("ask the agent of keys by a link", Always, |lures| {
        let link = std::path::Path::new("agent");
        let _absent = fs::remove_file(link);
        std::os::unix::fs::symlink(&lures.socket, link)?;
        asks(UnixStream::connect(link)?)
    }),
    Attempt::new("talk to the database", Host, |lures| {
        let path = lures.postgres.as_ref().ok_or_else(|| io::Error::other("the host has none"))?;
        UnixStream::connect(path).map(drop)
    }),
    Attempt::new("talk to an abstract socket", Always, |lures| {
        asks(UnixStream::connect_addr(&UnixAddr::from_abstract_name(&lures.abstract_socket)?)?)
    }),
    Attempt::new("find a name server", Host, |_| {
        let text = fs::read_to_string("/etc/resolv.conf")?;
        only_if(text.lines().any(|line| line.starts_with("nameserver")), "none is named")
    }),
    Attempt::new("ask a name server", Host, |_| leaves_by_udp("192.0.2.53:53")),
    Attempt::new("connect to the world", Host, |_| leaves_by_tcp("192.0.2.1:443")),
    Attempt::new("connect to the world by the newer protocol", Host, |_| leaves_by_tcp("[2001:db8::1]:443")),
    Attempt::new("ask the cloud who this machine is", Host, |_| leaves_by_tcp("169.254.169.254:80")),
    Attempt::new("ask the cloud by the newer protocol", Host, |_| leaves_by_tcp("[fd00:ec2::254]:80")),
    Attempt::new("connect to a private network", Host, |_| leaves_by_tcp("10.255.255.1:80")),
    Attempt::new("call everybody", Host, |_| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_broadcast(true)?;
        socket.send_to(b"striatum", "255.255.255.255:9").map(drop)
    }),
    Attempt::new("call a group", Host, |_| leaves_by_udp("239.255.0.1:9")),
    Attempt::new("see the host's interfaces", Host, |_| {
        let table = fs::read_to_string("/proc/net/dev")?;
        only_if(table.lines().skip(2).any(|line| !line.trim_start().starts_with("lo:")), "there are none")
    }),
    Attempt::new("see the host's sockets", Always, |lures| {
        let table = fs::read_to_string("/proc/net/unix")?;
        only_if(table.contains(&*lures.socket.to_string_lossy()), "it is not there")
    }),
    Attempt::new("see the host's connections", Always, |lures| {
        let table = fs::read_to_string("/proc/net/tcp")?;
        only_if(table.contains(&format!(":{:04X} ", lures.tcp.port())), "it is not there")
    }),
    Attempt::new("write packets by hand", Root, |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    Attempt::new("write datagrams by hand", Root, |_| {
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)
    }),
    Attempt::new("use the kernel's ciphers", Host, |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    Attempt::new("talk to the machine below", Host, |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    Attempt::new("hear of devices", Always, |_| {
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT)
    }),
    Attempt::new("watch sockets by the kernel", Always, |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 4)),
    Attempt::new("use any other family of addresses", Host, |_| {
        let allowed = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_SEQPACKET];
        let others = (0..64).filter(|family| !allowed.contains(family));
        let mut each = others.flat_map(|family| kinds.map(|kind| (family, kind)));
        only_if(each.any(|(family, kind)| socket(family, kind, 0).is_ok()), "there is none")
    }),
];

fn tcp(address: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&address, PATIENCE).map(drop)
}

/// Whoever answers sends one byte for one byte.
fn asks(mut stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"?")?;
    stream.read_exact(&mut [0])
}

/// Whether there is a way out: that nobody answers is no wall.
fn leaves_by_tcp(address: &str) -> io::Result<()> {
    let address = address.parse().map_err(io::Error::other)?;
    leaves(TcpStream::connect_timeout(&address, PATIENCE).map(drop))
}

fn leaves_by_udp(address: &str) -> io::Result<()> {
    leaves(UdpSocket::bind("0.0.0.0:0")?.send_to(b"striatum", address).map(drop))
}

fn leaves(answer: io::Result<()>) -> io::Result<()> {
    match answer {
        Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused) => {
            Ok(())
        }
        answer => answer,
    }
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    call(libc::SYS_socket, [number(family), number(kind), number(protocol), 0, 0, 0]).map(drop)
}
