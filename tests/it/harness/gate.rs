//! A way to a listener that lets only so many bytes through, so that what is to happen in the middle happens there,
//! however slow or fast the machine is.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Bytes that are taken before they may go on.
const PIECE: usize = 16 * 1024;

/// The way; it ends with the test's runtime. What comes back goes through unhindered.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    room: Arc<Semaphore>,
}

impl Gate {
    /// A closed one before a listener, which may come and go.
    pub async fn before(listener: SocketAddr) -> Self {
        let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, room) = (own.local_addr().unwrap(), Arc::new(Semaphore::new(0)));
        let shared = Arc::clone(&room);
        tokio::spawn(async move {
            while let Ok((near, _)) = own.accept().await {
                tokio::spawn(pass(near, listener, Arc::clone(&shared)));
            }
        });
        Self { address, room }
    }

    /// Where the way begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many bytes more through, of all connections together.
    pub fn let_through(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.room.close();
    }
}

async fn pass(near: TcpStream, listener: SocketAddr, room: Arc<Semaphore>) {
    let Ok(far) = TcpStream::connect(listener).await else { return };
    let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.into_split(), far.into_split());
    let forth = async {
        let mut buffer = vec![0; PIECE];
        while let Ok(read @ 1..) = near_read.read(&mut buffer).await {
            // An open gate counts no more.
            if let Ok(counted) = room.acquire_many(read as u32).await {
                counted.forget();
            }
            if far_write.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    // Whichever side ends, the other one hears of it.
    tokio::select! {
        () = forth => {}
        _ = tokio::io::copy(&mut far_read, &mut near_write) => {}
    }
}
