//! The folder that a result of many files goes to: whether it is free, and what an earlier result left in it.

use std::collections::HashSet;
use std::path::Path;

use futures::StreamExt;
use object_store::ObjectStoreExt;

use crate::error::{EngineError, ErrorCode, Result};
use crate::sink::Target;
use crate::store::Location;

/// The files of an earlier result in a folder that may be overwritten; an error if something stands there and may not.
pub(crate) async fn old_files(folder: &Target) -> Result<Vec<Location>> {
    let mut names = Vec::new();
    match &folder.location.file {
        Some(path) => walk(path, &mut Vec::new(), &mut names)?,
        None => {
            let prefix = &folder.location.path;
            let mut objects = folder.location.store.list(Some(prefix));
            while let Some(object) = objects.next().await {
                let key = object?.location;
                let below = key.as_ref().strip_prefix(prefix.as_ref()).unwrap_or_default().trim_start_matches('/');
                names.push(below.split('/').map(str::to_owned).collect());
            }
        }
    }
    if !names.is_empty() && !folder.overwrite {
        let message = format!("the folder {} is not empty", folder.location.display());
        return Err(EngineError::new(ErrorCode::OutputExists, message)
            .hint("choose another folder, or ask for it to be overwritten"));
    }
    let ours = names.iter().filter(|names: &&Vec<String>| {
        names.split_last().is_some_and(|(file, folders)| is_part(file) && folders.iter().all(|name| name.contains('=')))
    });
    ours.map(|names| folder.location.descendant(names)).collect()
}

/// Removes the files of an earlier result that the new one did not replace.
pub(crate) async fn remove_old(old: Vec<Location>, new: &HashSet<String>) {
    for location in old.into_iter().filter(|location| !new.contains(location.url.as_str())) {
        remove(&location).await;
    }
}

/// Removes a file; what cannot be removed is only worth a warning.
pub(crate) async fn remove(location: &Location) {
    let removed = match &location.file {
        Some(path) => std::fs::remove_file(path).map_err(EngineError::from),
        None => location.store.delete(&location.path).await.map_err(EngineError::from),
    };
    if let Err(error) = removed {
        log::warn!("{} could not be removed: {error}", location.display());
    }
    // Partitions' folders go with their last file.
    let mut folder = location.file.as_deref().and_then(Path::parent);
    while let Some(path) = folder
        && path.file_name().is_some_and(|name| name.to_string_lossy().contains('='))
        && std::fs::remove_dir(path).is_ok()
    {
        folder = path.parent();
    }
}

/// The files below a folder, as names of folders and file; hidden ones are left out, links are not followed.
fn walk(folder: &Path, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        above.push(name);
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), above, found)?;
        } else {
            found.push(above.clone());
        }
        above.pop();
    }
    Ok(())
}

/// `part-00000.parquet`
fn is_part(name: &str) -> bool {
    name.strip_prefix("part-")
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(number, _)| number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}
